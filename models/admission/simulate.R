# Simulates applicants.csv, the data set of this repository: no applicant in it is real.
#
#   Rscript simulate.R applicants.csv
#
# The chance of admission follows the published coefficients of the public admissions model, admit ~ gre + gpa + rank;
# the spread of gre, gpa and rank is chosen to look like that model's 400 applicants.

output <- commandArgs(trailingOnly = TRUE)[1L]
applicants <- 400L
coefficients <- c(
  intercept = -3.989979, gre = 0.002264, gpa = 0.804038,
  rank2 = -0.675443, rank3 = -1.340204, rank4 = -1.551464
)

set.seed(2017L, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
gre <- pmin(pmax(20 * round(rnorm(applicants, 588, 116) / 20), 200), 800)
gpa <- pmin(pmax(round(rnorm(applicants, 3.39, 0.38), 2), 0), 4)
rank <- sample(1:4, applicants, replace = TRUE, prob = c(0.15, 0.38, 0.30, 0.17))
chance <- plogis(
  coefficients[["intercept"]] + coefficients[["gre"]] * gre + coefficients[["gpa"]] * gpa +
    c(0, coefficients[c("rank2", "rank3", "rank4")])[rank]
)
admit <- rbinom(applicants, 1L, chance)

write.csv(data.frame(admit, gre, gpa, rank), output, row.names = FALSE, quote = FALSE)
