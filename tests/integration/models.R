# Fits models of many kinds and writes, for each, NAME.rds and NAME.csv: inputs as a caller may send them, and in the
# column .expected what this R itself predicts from them.
#
#   Rscript models.R FOLDER

folder <- commandArgs(trailingOnly = TRUE)[1L]
set.seed(42L)
n <- 300L
school <- data.frame(
  gre = 20 * sample(10:40, n, TRUE),
  gpa = round(runif(n, 1, 4), 2),
  rank = sample(1:4, n, TRUE),
  legacy = runif(n) > 0.6,
  state = sample(c("Ohio", "Iowa", "S\u00e3o Paulo"), n, TRUE),
  size = factor(sample(c("small", "middle", "large"), n, TRUE), c("small", "middle", "large"), ordered = TRUE),
  born = as.Date("1990-01-01") + sample(3000L, n, TRUE),
  years = sample(1:9, n, TRUE),
  tier = factor(sample(c("a", "c", "d"), n, TRUE), c("a", "b", "c", "d")) # nobody is in b
)
school$admit <- rbinom(n, 1L, plogis(-4 + 0.002 * school$gre + 0.8 * school$gpa - 0.4 * school$rank))
school$score <- round(school$gre / 100 + school$gpa + rnorm(n), 3)
school$visits <- rpois(n, 1 + school$years / 3)
ranked <- transform(school, rank = factor(rank))
asked <- school[c(1:40, n), ]

write_case <- function(name, model, inputs, ..., expected = predict(model, asked_as(model), type = "response")) {
  path <- file.path(folder, name)
  saveRDS(model, paste0(path, ".rds"), ...)
  model <- readRDS(paste0(path, ".rds")) # which is not the same for one saved as text
  table <- asked[inputs]
  table$.expected <- format(as.numeric(expected), digits = 17L, trim = TRUE)
  write.csv(table, paste0(path, ".csv"), row.names = FALSE, fileEncoding = "UTF-8")
}
# rank is a factor in some models and a number in others.
asked_as <- function(model) {
  ranked <- is.factor(model$model$rank) || (is.data.frame(model$data) && is.factor(model$data$rank))
  if (ranked) transform(asked, rank = factor(rank, 1:4)) else asked
}

base <- glm(admit ~ gre + gpa + rank, binomial, ranked)
three <- c("gre", "gpa", "rank")
write_case("glm", base, three)
write_case("glm-serialized-as-in-2017", base, three, version = 2L)
write_case("glm-bzip2", base, three, compress = "bzip2")
write_case("glm-xz", base, three, compress = "xz")
write_case("glm-uncompressed", base, three, compress = FALSE)
write_case("glm-ascii", base, three, ascii = TRUE)
write_case("glm-probit", update(base, family = binomial("probit")), three)
write_case("glm-quasibinomial", update(base, family = quasibinomial), three)
write_case("glm-interaction", glm(admit ~ gre * rank + gpa:rank, binomial, ranked), three)
write_case("glm-poly", glm(admit ~ poly(gre, 2) + log(gpa) + rank, binomial, ranked), three)
write_case("glm-raw-poly-scale", glm(admit ~ poly(gre, 2, raw = TRUE) + scale(gpa), binomial, school), c("gre", "gpa"))
write_case("glm-logical", glm(admit ~ gre + legacy, binomial, school), c("gre", "legacy"))
write_case("glm-character", glm(admit ~ gre + state, binomial, school), c("gre", "state"))
write_case("glm-ordered", glm(admit ~ gpa + size, binomial, school), c("gpa", "size"))
write_case("glm-unused-level", glm(admit ~ gpa + tier, binomial, school), c("gpa", "tier"))
write_case("glm-unused-level-as-code", glm(admit ~ as.integer(tier) + tier, binomial, school), "tier")
write_case("glm-factor-in-formula", glm(admit ~ gre + factor(rank), binomial, school), c("gre", "rank"))
write_case("glm-factor-and-number", glm(admit ~ gre + rank + as.factor(rank), binomial, school), c("gre", "rank"))
write_case("glm-indicator", glm(admit ~ I(gre > 600) + gpa + (state == "Ohio"), binomial, school),
           c("gre", "gpa", "state"))
write_case("glm-splines", glm(admit ~ splines::ns(gre, 3) + gpa, binomial, school), c("gre", "gpa"))
library(splines)
write_case("glm-splines-attached", glm(admit ~ bs(gre, 4) + ns(gpa, 2), binomial, school), c("gre", "gpa"))
write_case("glm-date", glm(admit ~ born + gpa, binomial, school), c("born", "gpa"))
write_case("glm-sum-contrasts", glm(admit ~ gre + rank, binomial, ranked, contrasts = list(rank = "contr.sum")),
           c("gre", "rank"))
write_case("glm-poisson-offset", glm(visits ~ gpa + offset(log(years)), poisson, school), c("gpa", "years"))
write_case("glm-poisson-offset-argument", glm(visits ~ gpa, poisson, school, offset = log(years)), c("gpa", "years"))
write_case("glm-gamma", glm(gpa ~ gre + rank, Gamma("log"), ranked), c("gre", "rank"))
write_case("glm-weights", suppressWarnings(glm(admit ~ gre + gpa, binomial, school, weights = years)), c("gre", "gpa"))
write_case("glm-without-data", with(school, glm(admit ~ gre + gpa, binomial)), c("gre", "gpa"))
in_function <- function(gre, gpa, admit, power = 2) glm(admit ~ I(gre^power) + gpa, binomial)
write_case("glm-in-function", in_function(school$gre, school$gpa, school$admit), c("gre", "gpa"))
bare <- glm(admit ~ gre + gpa + rank, binomial, ranked, model = FALSE, y = FALSE)
bare$data <- NULL
write_case("glm-stripped", bare, three, expected = predict(base, asked_as(base), type = "response"))
write_case("glm-text", glm(admit ~ nchar(state) + gpa, binomial, school), c("state", "gpa"))
write_case("lm", lm(admit ~ gre + gpa + rank, ranked), three)
write_case("glm-constant", glm(score ~ I(gre * pi), gaussian, school), "gre")
typed <- lm(score ~ nchar(state) + (rank > 2) + gpa, school)
typed$data <- school[1L, ] # which tells the function that state is text
write_case("lm-with-data", typed, c("state", "rank", "gpa"))
stripped_in_function <- function(data) {
  gre <- mean(data$gre) # hides the variable of the same name
  fitted <- glm(admit ~ gre + gpa, binomial, data, model = FALSE)
  fitted$data <- NULL
  fitted
}
write_case("glm-stripped-in-function", stripped_in_function(school), c("gre", "gpa"))
write_case("lm-proven-numbers", lm(score ~ log(gre + 1) + I((gpa - 1)^2) + poly(years, 2), school),
           c("gre", "gpa", "years"))
write_case("lm-beside-numbers", lm(score ~ cut(gre, c(0, 400, 900)) + I(gpa %/% 2) + pmin(years, 5), school),
           c("gre", "gpa", "years"))
knots <- c(400, 600)
write_case("lm-knots", lm(score ~ ns(gre, knots = knots) + gpa, school), c("gre", "gpa"))
known <- lm(score ~ gpa + factor(rank) + I(gpa - 1), school)
known$data <- school[1L, ]
write_case("lm-factor-with-one-row", known, c("gpa", "rank"))
named <- transform(school, `home state` = state, `class rank` = rank, check.names = FALSE)
asked <- transform(asked, `home state` = state, `class rank` = rank, check.names = FALSE)
write_case("lm-names-with-blanks", lm(score ~ `home state` + factor(`class rank`), named),
           c("home state", "class rank"))
write_case("lm-factor-in-formula", lm(score ~ gre + factor(rank), school), c("gre", "rank"))
write_case("lm-na-level", lm(score ~ gpa + tier, transform(school, tier = addNA(tier))), c("gpa", "tier"))
with_rates <- function(gre, score, years, rates = (1:52)^1.5) lm(score ~ gre + I(rates[years] * 2))
write_case("lm-constant-vector", with_rates(school$gre, school$score, school$years), c("gre", "years"))
beside_a_vector <- function(data) {
  years <- c("not", "the", "column")
  model <- lm(score ~ gre + years, data)
  model$call <- NULL
  model
}
write_case("lm-call-removed", beside_a_vector(school), c("gre", "years"))
write_case("lm-offset-argument", lm(score ~ gpa, school, offset = years), c("gpa", "years"))
write_case("glm-contrast-function", glm(admit ~ C(rank, sum) + gre, binomial, ranked), c("rank", "gre"))
write_case("glm-factor-of-logical", glm(admit ~ factor(legacy) + gre, binomial, school), c("legacy", "gre"))
write_case("loess-in-function", local({
  gre <- school$gre
  gpa <- school$gpa
  score <- school$score
  loess(score ~ gre + gpa, span = 0.9)
}), c("gre", "gpa"))
write_case("nls-logical", nls(score ~ a + b * gre * legacy, school, start = list(a = 0, b = 0.01)), c("gre", "legacy"))
write_case("nls-constant", nls(score ~ a * pi + b * gre, school, start = list(a = 0, b = 0.01)), "gre")
write_case("nls", nls(score ~ a + b * gre^k, school, start = list(a = 0, b = 0.01, k = 1)), "gre")
write_case("loess", loess(score ~ gre + gpa, school, span = 0.9, control = loess.control(surface = "direct")),
           c("gre", "gpa"))
asked <- data.frame(asked, c = asked$gre, t = asked$gpa, pi = asked$rank)
names_of_functions <- data.frame(c = school$gre, t = school$gpa, pi = school$rank, score = school$score)
write_case("lm-names-of-functions", lm(score ~ log(c) + log(t) + pi, names_of_functions), c("c", "t", "pi"))
write_case("lm-intercept-only", lm(score ~ 1, school), character())

# What is no model, or none that the function can serve; the test says for each what it is told.
refused <- function(name, object) saveRDS(object, file.path(folder, paste0("refused-", name, ".rds")))
refused("data-frame", school)
refused("number", 42)
refused("null", NULL)
refused("function", function(x) x)
refused("list", list(a = 1))
refused("prcomp", prcomp(school[c("gre", "gpa")]))
refused("two-responses", lm(cbind(gre, gpa) ~ rank, school))
refused("time-input", lm(score ~ at, transform(school, at = as.POSIXct(born))))
refused("matrix-input", lm(score ~ m, list(score = school$score, m = as.matrix(school[c("gre", "gpa")]))))
refused("reserved-name", lm(score ~ explain, data.frame(score = school$score, explain = school$gre)))
refused("package-missing", structure(base, packages = "notInstalled"))
refused("range-of-no-input", structure(base, ranges = list(height = c(0, 2))))
refused("range-of-a-factor", structure(base, ranges = list(rank = c(1, 4))))
refused("range-reversed", structure(base, ranges = list(gre = c(800, 200))))
save(base, file = file.path(folder, "refused-save.rds"))

classifier <- base
classifier$family$linkinv <- function(eta) factor(eta > 0, c(FALSE, TRUE), c("no", "yes"))
refused("classifier", classifier)
refused("constant-or-column", (function(data) {
  gre <- 30
  lm(score ~ log(gre) + gpa, data)
})(school))
refused("pi", lm(score ~ I(gre * pi), school))
refused("compared-with-a-string", lm(score ~ I(state > "J") + gre, school))
refused("compared-with-a-number", lm(score ~ gpa + I(size >= 2), transform(school, size = ordered(rank, 4:1))))
refused("factor-and-more", lm(score ~ factor(years) + gre:I(years > 6), school))
refused("code-of-a-factor", lm(score ~ tier + gre:as.numeric(tier), school))
refused("mean-of-the-batch", lm(score ~ gpa + log(gre / mean(gre)), school))
refused("median-of-the-batch", glm(admit ~ gpa + pmin(gre, 3 * median(gre)), binomial, transform(school, gre = gre^3)))
refused("call-removed", (function(data) {
  years <- 5
  model <- lm(score ~ I(gre * log(years)), data)
  model$call <- NULL
  model
})(school))
refused("type-unknown", lm(score ~ as.numeric(rank) + gre, ranked))
refused("depends-on-the-batch", glm(score ~ I(gre - mean(gre)), gaussian, school))
refused("ranges-without-names", structure(base, ranges = list(c(200, 800))))

# One that talks, warns and fails, depending on the input.
local({
  moody <- function(x) {
    if (any(x == 1)) stop("one is too lonely")
    if (any(x == 2)) message("two is company")
    if (any(x == 3)) warning("three's a crowd")
    if (any(x == 4)) print("four")
    x
  }
  model <- glm(score ~ moody(years), gaussian, transform(school, years = years + 10))
  saveRDS(model, file.path(folder, "moody.rds"))
})
local({
  sleepy <- function(x) {
    if (any(x > 50)) Sys.sleep(x)
    x
  }
  saveRDS(glm(score ~ sleepy(years), gaussian, school), file.path(folder, "sleepy.rds"))
})
local({
  greedy <- function(x) {
    if (any(x > 50)) sum(rep(as.numeric(x), 3e7))
    x
  }
  saveRDS(glm(score ~ greedy(years), gaussian, school), file.path(folder, "greedy.rds"))
})
saveRDS(glm(admit ~ tolower(state) + gre, binomial, school), file.path(folder, "folded.rds"))
for (name in c("large", "large-too")) {
  large <- data.frame(x = round(rnorm(10000L), 3))
  large$y <- large$x + round(rnorm(10000L), 3)
  saveRDS(glm(y ~ x, gaussian, large), file.path(folder, paste0(name, ".rds")))
}
saveRDS(lm(score ~ log(gpa), school), file.path(folder, "log.rds"))
saveRDS(structure(base, packages = "splines"), file.path(folder, "with-package.rds"))
