# Prints the coefficients of the model in an .rds file with every digit: Rscript coefficients.R FILE

coefficients <- coef(readRDS(commandArgs(trailingOnly = TRUE)[1L]))
cat(sprintf("%s %.17g\n", names(coefficients), coefficients), sep = "")
