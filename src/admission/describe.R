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
  if (!inherits(model_terms(model), "terms")) not_a_model(model)
  Filter(function(name) is_input(name, model), unique(unlist(lapply(used_expressions(model), all.vars))))
}

# What predict() evaluates. In predvars the knots of ns(gre, knots = k) are numbers, and k is no longer needed.
used_expressions <- function(model) {
  if (inherits(model, "nls")) return(list(stats::formula(model)[[3L]]))
  terms <- stats::delete.response(model_terms(model))
  used <- attr(terms, "predvars")
  offset <- model[["call"]]$offset
  c(as.list(if (is.null(used)) attr(terms, "variables") else used)[-1L], if (!is.null(offset)) call("offset", offset))
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
  } else if (is_fitted_without_data(model)) {
    # Then every variable was found where the response was, and is as long.
    NROW(value) == NROW(kept_variable(response_name(model), model))
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

# The columns the model was fitted to, as far as it still carries them: as given, then as the formula made them.
training_data <- function(model) {
  if (inherits(model, "nls")) return(mget(names(model[["dataClasses"]]), model[["m"]]$getEnv(), inherits = TRUE))
  c(if (is.data.frame(model[["data"]])) as.list(model[["data"]]), as.list(model[["model"]]))
}

is_fitted_without_data <- function(model) !is.null(kept_variable(response_name(model), model))

response_name <- function(model) {
  terms <- model_terms(model)
  c(all.vars(attr(terms, "variables")[[1L + attr(terms, "response")]]), "")[1L]
}

# A variable of a model that was fitted without data =, which a formula made in a function has kept.
kept_variable <- function(name, model) {
  call <- model[["call"]] # which a file may have lost, and then nothing tells how the model was fitted
  without_data <- !is.null(call$formula) && is.null(call$data)
  value <- if (without_data && nzchar(name)) get0(name, envir = formula_environment(model))
  if (is.atomic(value) && length(value) > 1L) value
}

# Functions that no factor, string or date could have been given to, and those that need a number written beside it.
NUMERIC <- c("*", "/", "^", "abs", "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan",
             "offset", "poly", "ns", "bs", "scale", "stats::offset", "stats::poly", "splines::ns", "splines::bs")
NUMERIC_BESIDE_NUMBER <- c("%%", "%/%", "pmin", "pmax", "cut", "findInterval")
TRANSPARENT <- c("(", "I", "+", "-")

# Whether the variable stands somewhere inside a function that proves it a number.
is_proven_number <- function(name, expression, proven = FALSE) {
  if (is.name(expression)) return(proven && identical(as.character(expression), name))
  if (!is.call(expression)) return(FALSE)
  called <- deparse1(expression[[1L]])
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
  raw <- if (is.data.frame(model[["data"]])) model[["data"]][[name]] else kept_variable(name, model)
  column <- if (is.null(raw)) training_data(model)[[name]] else raw
  type <- if (is.null(column)) c(data_classes(model)[name], NA)[1L] else stats::.MFclass(column)
  levels <- model[["xlevels"]][[name]]
  # A variable the formula itself turns into a factor, as in factor(rank), takes just the values that were seen.
  as_factor <- sprintf(c("factor(%s)", "as.factor(%s)", "ordered(%s)"), deparse1(as.name(name), backtick = TRUE))
  converted <- intersect(as_factor, names(model[["xlevels"]]))
  inside <- Filter(function(used) {
    name %in% all.vars(used) && !deparse1(used) %in% c(name, as_factor)
  }, used_expressions(model))

  if (is.na(type) && !length(converted)) {
    if (!any(vapply(inside, function(used) is_proven_number(name, used), NA))) {
      unknown_input(name, "stands only inside a function")
    }
    type <- "numeric"
  }
  # The levels alone do not tell its codes, as some may be unused, nor what it was before it became a factor.
  is_level <- is.na(type) || type %in% c("factor", "ordered")
  if (is_level && is.null(raw) && length(inside) && !inherits(model, "nls")) {
    unknown_input(name, "stands inside a function that may need more of it than its levels")
  }

  if (inherits(column, "Date")) {
    kind <- "date"
    reader <- function(days) structure(days, class = "Date")
  } else if (type %in% c("factor", "ordered")) {
    kind <- "level"
    labels <- if (is.null(column)) levels else base::levels(column)
    levels <- stats::na.omit(if (is.null(levels)) labels else levels)
    codes <- match(levels, labels)
    class <- c(if (type == "ordered") "ordered", "factor")
    reader <- function(positions) structure(codes[positions], levels = labels, class = class)
  } else if (type == "character" && !is.null(levels)) {
    kind <- "level"
    reader <- function(positions) levels[positions]
  } else if (length(converted)) {
    kind <- "level"
    levels <- stats::na.omit(model[["xlevels"]][[converted[1L]]])
    values <- if (is.null(column)) levels else column[match(levels, as.character(column))]
    # Of a column that is there only in part, for its type.
    if (anyNA(values) && !is.object(column)) values[is.na(values)] <- as.vector(levels[is.na(values)], typeof(column))
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

# Two values such as a caller may send, in the form they arrive in, and different ones where that is possible.
examples <- function(kind, column, levels, range) {
  seen <- unique(column[!is.na(column)])
  values <- switch(kind,
    level = c(1L, length(levels)),
    logical = c(0, 1),
    text = unique(c(as.character(seen), "", "a")),
    unique(c(if (length(seen)) base::range(as.numeric(seen)), range[is.finite(range)], 1, 2))
  )
  values[1:2]
}
