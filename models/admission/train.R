# Fits the admissions model and writes it as an .rds file.
#
#   Rscript train.R DATA OUTPUT
#
# DATA is the path or the URL of a CSV with the columns admit (0 or 1), gre, gpa and rank.

arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) != 2L) stop("usage: Rscript train.R DATA OUTPUT", call. = FALSE)
data <- read.csv(arguments[1L])
missing <- setdiff(c("admit", "gre", "gpa", "rank"), names(data))
if (length(missing)) stop(arguments[1L], " has no column ", toString(missing), call. = FALSE)
if (!all(data$admit %in% 0:1)) stop(arguments[1L], ": admit must be 0 or 1 in every row", call. = FALSE)
data$rank <- factor(data$rank)

# The chance that an admitted applicant is ranked above one who was not: the area under the ROC curve.
auc <- function(admit, probability) {
  positives <- sum(admit == 1)
  (sum(rank(probability)[admit == 1]) - positives * (positives + 1) / 2) / (positives * sum(admit == 0))
}
report <- function(label, probability) {
  cat(sprintf("%-28s accuracy %.3f   AUC %.3f   Brier score %.3f\n", label,
              mean((probability > 0.5) == data$admit), auc(data$admit, probability),
              mean((probability - data$admit)^2)))
}

model <- glm(admit ~ gre + gpa + rank, family = binomial, data = data)
print(summary(model))

set.seed(1L)
fold <- sample(rep_len(1:10, nrow(data)))
held_out <- numeric(nrow(data))
for (k in 1:10) {
  refit <- update(model, data = data[fold != k, ])
  held_out[fold == k] <- predict(refit, newdata = data[fold == k, ], type = "response")
}
cat(sprintf("%d applicants, %d admitted\n", nrow(data), sum(data$admit)))
report("on the data it was fitted to", fitted(model))
report("on ten held-out folds", held_out)
cat(sprintf("%-28s accuracy %.3f\n", "always the commoner answer", max(mean(data$admit), 1 - mean(data$admit))))

# What an applicant can have, so that the function can refuse a GRE of 8000 with a reason.
attr(model, "ranges") <- list(gre = c(200, 800), gpa = c(0, 4))
saveRDS(model, arguments[2L])
cat("wrote", arguments[2L], "\n")
