# R's side of engine.py: it reads a fitted model and predicts.
#
# Callers of R get a list with `value`, or with `error`, R's own message. Inputs arrive as one plain vector for each
# variable, in the order of the description: numbers, days since 1970-01-01, 0 and 1, positions in `levels`, or strings.

options(warn = 1, show.error.messages = FALSE)

# utils, which stats needs, starts two shells when it is loaded, to learn the name of the operating system. Told that
# there is no uname it starts none, and its osVersion, which only sessionInfo() shows, stays NULL.
without_uname <- function(action) {
  replace <- function(which) {
    unlockBinding("Sys.which", baseenv())
    assign("Sys.which", which, envir = baseenv())
    lockBinding("Sys.which", baseenv())
  }
  original <- Sys.which
  on.exit(replace(original))
  replace(function(names) structure(character(length(names)), names = names))
  force(action)
}

# With R_DEFAULT_PACKAGES=NULL nothing but base is on the search path, where the functions of a formula are looked up.
without_uname(attachNamespace("stats"))

attempt <- function(action) {
  function(...) tryCatch(list(value = action(...)), error = function(e) list(error = told(e)))
}

# R's message, without the one thing in it that an applicant sent: model.frame() repeats the levels it does not know.
told <- function(error) {
  message <- paste(conditionMessage(error), collapse = " ")
  sub(" has new levels? .*", " has a level that the model was not fitted to", message)
}

models_loaded <- 0L

# `serialized` is the content of an .rds file, decompressed.
load_model <- attempt(function(serialized) {
  # R collects its garbage when it needs room, which may be past the memory of the function. The first model leaves none
  # that is worth the time in a cold start.
  if (models_loaded > 0L) on.exit(gc())
  models_loaded <<- models_loaded + 1L
  model <- unserialize(serialized)
  if (!is.list(model)) not_a_model(model)
  for (package in attr(model, "packages")) library(package, character.only = TRUE)
  inputs <- describe_inputs(model)
  attach_functions(model)
  predict_columns <- predictor(model, inputs)
  rehearse(predict_columns, lapply(inputs, function(input) input$examples))
  list(
    inputs = inputs,
    response = if (is_probability(model)) "probability" else "prediction",
    predict = attempt(function(rows, ...) predict_columns(rows, list(...)))
  )
})

not_a_model <- function(object) {
  stop("the file holds an object of class ", class(object)[1L], ", not a fitted model", call. = FALSE)
}

predictor <- function(model, inputs) {
  names <- vapply(inputs, function(input) input$name, "")
  readers <- lapply(inputs, function(input) input$reader)
  function(rows, columns) {
    newdata <- structure(
      Map(function(reader, column) reader(column), readers, columns),
      names = names, row.names = .set_row_names(rows), class = "data.frame"
    )
    prediction <- stats::predict(model, newdata = newdata, type = "response")
    if (!is.numeric(prediction)) {
      stop("the model predicts a ", class(prediction)[1L], ", not a number", call. = FALSE)
    }
    if (length(prediction) != rows) {
      stop("the model predicts ", length(prediction), " numbers for ", rows, " applicants, not one for each",
           call. = FALSE)
    }
    as.numeric(prediction)
  }
}

# A model that cannot predict must not replace one that can, so it has to show it for two applicants. The first
# prediction is also the slow one, and is better paid for here than by a caller.
rehearse <- function(predict_columns, examples) {
  alone <- c(predict_columns(1L, lapply(examples, `[`, 1L)), predict_columns(1L, lapply(examples, `[`, 2L)))
  # A formula with mean(x) or median(x) in it takes that of whoever is in the batch.
  for (rows in list(c(1L, 1L, 1L, 1L, 1L, 2L), c(1L, 2L, 2L, 2L, 2L, 2L))) {
    together <- predict_columns(length(rows), lapply(examples, `[`, rows))
    if (!isTRUE(all.equal(together, alone[rows]))) {
      stop("the model predicts an applicant differently alone and in a batch", call. = FALSE)
    }
  }
}

is_probability <- function(model) {
  inherits(model, "glm") && model[["family"]]$family %in% c("binomial", "quasibinomial")
}

# Functions in the formula that nothing attached so far provides, such as ns() and bs() of splines.
attach_functions <- function(model) {
  environment <- formula_environment(model)
  for (name in unique(unlist(lapply(used_expressions(model), all.names)))) {
    known <- exists(name, envir = environment, mode = "function") || exists(name, mode = "function")
    if (!known && name %in% getNamespaceExports("splines")) attachNamespace("splines")
  }
}
