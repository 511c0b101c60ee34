# Loads the packages named as arguments, and so shows that each finds all it needs.
for (package in commandArgs(trailingOnly = TRUE)) loadNamespace(package)
