# What a fitted model says of its inputs: which variables, of which type, with which levels and ranges.

model_terms <- function(model) {
  if (is.null(model[["terms"]])) attr(model, "terms") else model[["terms"]]
}

formula_environment <- function(model) {
  environment <- attr(model_terms(model), ".Environment")
  if (is.environment(environment)) environment else globalenv()
}

describe_inputs <- function(model) {
  names <- input_names(model)
  ranges <- attr(model, "ranges")
  if (!is.null(ranges) && !(is.list(ranges) && length(names(ranges)) == length(ranges))) {
    stop("its attribute ranges must be a list such as list(gre = c(200, 800))", call. = FALSE)
  }
  if (!all(names(ranges) %in% names)) {
    stop("its attribute ranges names ", toString(setdiff(names(ranges), names)), ", but its inputs are ",
         toString(names), call. = FALSE)
  }
  lapply(names, function(name) describe_input(name, model, ranges[[name]]))
}

# The variables of the right-hand side and of an offset argument, without the constants a formula may mention.
input_names <- function(model) {
  if (inherits(model, "nls")) return(names(model[["dataClasses"]]))
  terms <- model_terms(model)
  if (!inherits(terms, "terms")) not_a_model(model)
  variables <- c(all.vars(attr(stats::delete.response(terms), "variables")), all.vars(model[["call"]]$offset))
  Filter(function(name) is_input(name, model), unique(variables))
}

# A variable is only taken for a constant where that is certain: an input that is left out would give wrong answers.
is_input <- function(name, model) {
  value <- get0(name, envir = formula_environment(model))
  if (name %in% c(names(training_data(model)), names(data_classes(model))) || is.null(value)) {
    TRUE
  } else if (is.data.frame(model[["data"]])) {
    FALSE
  } else if (is.function(value)) {
    TRUE
  } else if (is.null(model[["call"]]$data)) {
    NROW(value) > 1L && NROW(value) >= stats::nobs(model)
  } else {
    unknown_input(name, "may be a constant or a column of the data")
  }
}

unknown_input <- function(name, doubt) {
  stop(name, " in its formula ", doubt, ", and the file does not say: save it with the data it was fitted to, or one ",
       "row of them, as in fit$data <- applicants[1, ]", call. = FALSE)
}

data_classes <- function(model) {
  if (is.null(model[["dataClasses"]])) attr(model_terms(model), "dataClasses") else model[["dataClasses"]]
}

# The columns the model was fitted to, as far as it still carries them: what was given, then what the formula made of it.
training_data <- function(model) {
  if (inherits(model, "nls")) return(mget(names(model[["dataClasses"]]), model[["m"]]$getEnv(), inherits = TRUE))
  c(if (is.data.frame(model[["data"]])) as.list(model[["data"]]), as.list(model[["model"]]))
}

# A variable of a model that was fitted without data =, which a formula made in a function has kept.
kept_variable <- function(name, model) {
  value <- if (is.null(model[["call"]]$data)) get0(name, envir = formula_environment(model))
  if (is.atomic(value) && length(value) > 1L) value
}

# Functions that no factor, string or date could have been given to: any use, and use beside a number that is written out.
NUMERIC <- c("*", "/", "^", "abs", "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "offset",
             "poly", "ns", "bs", "scale", "stats::poly", "stats::offset", "splines::ns", "splines::bs")
NUMERIC_BESIDE_NUMBER <- c("<", "<=", ">", ">=", "%%", "%/%", "pmin", "pmax", "cut", "findInterval")
TRANSPARENT <- c("(", "I", "+", "-")

# Whether the variable stands somewhere inside a function that proves it a number.
is_proven_number <- function(name, expression, proven = FALSE) {
  if (is.name(expression)) return(proven && identical(as.character(expression), name))
  if (!is.call(expression)) return(FALSE)
  called <- paste(deparse(expression[[1L]]), collapse = "")
  parts <- as.list(expression)[-1L]
  proven <- called %in% NUMERIC || (proven && called %in% TRANSPARENT) ||
    (called %in% NUMERIC_BESIDE_NUMBER && any(vapply(parts, is_written_number, NA)))
  any(vapply(parts, function(part) is_proven_number(name, part, proven), NA))
}

# 600, -1 and c(0, 400, 800).
is_written_number <- function(expression) {
  is.numeric(expression) || (
    is.call(expression) && as.character(expression[[1L]])[1L] %in% c("c", "-") &&
      all(vapply(as.list(expression)[-1L], is_written_number, NA))
  )
}

describe_input <- function(name, model, range) {
  column <- training_data(model)[[name]]
  if (is.null(column)) column <- kept_variable(name, model)
  type <- if (is.null(column)) c(data_classes(model)[name], NA)[1L] else stats::.MFclass(column)
  levels <- model[["xlevels"]][[name]]
  # A variable the formula itself turns into a factor, as in factor(rank), takes just the values that were seen.
  converted <- intersect(sprintf(c("factor(%s)", "as.factor(%s)", "ordered(%s)"), name), names(model[["xlevels"]]))

  if (is.na(type) && !length(converted)) {
    expressions <- c(attr(model_terms(model), "variables"), call("offset", model[["call"]]$offset))
    if (!any(vapply(expressions, function(expression) is_proven_number(name, expression), NA))) {
      unknown_input(name, "stands only inside a function")
    }
    type <- "numeric"
  }

  if (inherits(column, "Date")) {
    kind <- "date"
    reader <- function(days) structure(days, class = "Date")
  } else if (type %in% c("factor", "ordered")) {
    kind <- "level"
    labels <- if (is.null(column)) levels else base::levels(column)
    if (is.null(levels)) levels <- labels
    codes <- match(levels, labels)
    class <- c(if (type == "ordered") "ordered", "factor")
    reader <- function(positions) structure(codes[positions], levels = labels, class = class)
  } else if (type == "character" && !is.null(levels)) {
    kind <- "level"
    reader <- function(positions) levels[positions]
  } else if (length(converted)) {
    kind <- "level"
    levels <- model[["xlevels"]][[converted[1L]]]
    values <- if (is.null(column)) levels else column[match(levels, as.character(column))]
    reader <- function(positions) values[positions]
  } else {
    kind <- switch(type, numeric = "number", logical = "logical", character = "text",
      stop("its input ", name, " is of type ", if (is.null(column)) type else base::class(column)[1L],
           ", which an event cannot carry", call. = FALSE))
    reader <- switch(kind, logical = as.logical, identity)
  }
  if (is.null(range)) {
    range <- c(-Inf, Inf)
  } else if (!(kind == "number" && is.numeric(range) && length(range) == 2L && isTRUE(diff(range) >= 0))) {
    stop("its attribute ranges must give ", name, " as c(minimum, maximum)", call. = FALSE)
  }
  list(
    name = name, kind = kind, levels = if (kind == "level") levels else character(), range = as.numeric(range),
    reader = reader, examples = examples(kind, column, levels, range)
  )
}

# One or two values such as a caller may send, in the form they arrive in.
examples <- function(kind, column, levels, range) {
  seen <- unique(column[!is.na(column)])
  values <- switch(kind,
    level = c(1L, length(levels)),
    text = c(as.character(seen), ""),
    c(as.numeric(seen), range[is.finite(range)], 1)
  )
  values[c(1L, min(2L, length(values)))]
}
