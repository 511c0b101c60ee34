# Fits every kind of model that base R can predict from, for predictions.R to ask.
#
#   Rscript fits.R FILE

set.seed(7L)
n <- 200L
d <- data.frame(
  x = runif(n, 1, 9),
  z = rnorm(n),
  f = factor(sample(c("a", "b", "c"), n, TRUE)),
  o = factor(sample(c("low", "mid", "high"), n, TRUE), c("low", "mid", "high"), ordered = TRUE),
  day = as.Date("2020-01-01") + sample(1000L, n, TRUE),
  w = sample(1:5, n, TRUE)
)
d$y <- 2 + sin(d$x) + 0.3 * d$z + (d$f == "b") + rnorm(n, 0, 0.2)
d$p <- d$y - min(d$y) + 0.5
d$b <- rbinom(n, 1L, plogis(d$x - 5))
d$k <- rpois(n, d$x)
asked <- d[c(1:25, n), ]

# Each model with what it is asked.
kinds <- list()
ask <- function(name, model, question = quote(predict(model, asked))) {
  kinds[[name]] <<- list(model = model, question = question)
}
response <- quote(predict(model, asked, type = "response"))
series <- quote(predict(model, n.ahead = 6L))

for (link in c("logit", "probit", "cauchit", "cloglog", "log")) {
  start <- if (link == "log") c(-3, 0.1)
  ask(paste("binomial", link), suppressWarnings(glm(b ~ x, binomial(link), d, start = start)), response)
}
for (link in c("identity", "log", "inverse")) {
  ask(paste("gaussian", link), glm(p ~ x + f, gaussian(link), d), response)
  ask(paste("Gamma", link), glm(p ~ x + f, Gamma(link), d), response)
}
for (link in c("log", "identity", "sqrt")) ask(paste("poisson", link), glm(k ~ x, poisson(link), d), response)
for (link in c("1/mu^2", "inverse", "log")) {
  ask(paste("inverse.gaussian", link), glm(p ~ w, inverse.gaussian(link), d), response)
}
ask("quasi", glm(p ~ x, quasi(link = "log", variance = "mu"), d), response)
ask("quasibinomial", glm(b ~ x + z, quasibinomial, d), response)
ask("quasipoisson", glm(k ~ x + f, quasipoisson, d), response)
ask("glm on the link scale with errors", glm(b ~ x * f, binomial, d), quote(predict(model, asked, se.fit = TRUE)[1:2]))
ask("glm terms", glm(b ~ x + f, binomial, d), quote(predict(model, asked, type = "terms")))

ask("lm", lm(y ~ x * z + f, d))
ask("lm interval", lm(y ~ x + f, d), quote(predict(model, asked, interval = "prediction")))
ask("lm terms", lm(y ~ poly(x, 3) + f, d), quote(predict(model, asked, type = "terms")))
ask("lm with weights", lm(y ~ x, d, weights = w), quote(predict(model, asked, se.fit = TRUE)[1:2]))
ask("lm with offset", lm(y ~ x + offset(2 * z), d))
ask("lm rank-deficient", lm(y ~ x + I(2 * x) + z, d), quote(suppressWarnings(predict(model, asked))))
ask("lm of several responses", lm(cbind(y, p) ~ x + f, d))
ask("factors and ordered factors", lm(y ~ f + o + f:x, d))
ask("contrasts", lm(y ~ f + o, d, contrasts = list(f = "contr.sum", o = "contr.helmert")))
ask("dates", lm(y ~ day + x, d))
ask("poly", lm(y ~ poly(x, 4) + poly(z, 2, raw = TRUE), d))
ask("ns and bs", lm(y ~ splines::ns(x, 4) + splines::bs(z, 5), d))
ask("scale and log", lm(y ~ scale(x) + log(p) + sqrt(w), d))
ask("aov", aov(y ~ f + x, d))
ask("nls", nls(y ~ a + c * sin(g * x), d, list(a = 2, c = 1, g = 1)))
ask("nls self-starting", nls(height ~ SSasymp(age, a, r, l), Loblolly[1:60, ]),
    quote(predict(model, data.frame(age = 2:9))))
for (surface in c("interpolate", "direct")) {
  ask(paste("loess", surface), loess(y ~ x + z, d, control = loess.control(surface = surface)))
}
ask("loess with errors", loess(y ~ x, d, degree = 1L), quote(predict(model, asked, se = TRUE)[1:2]))
ask("ppr", ppr(y ~ x + z, data = d, nterms = 2L))
ask("smooth.spline", smooth.spline(d$x, d$y), quote(c(predict(model, asked$x), predict(model, asked$x, deriv = 1L))))
ask("interpSpline", splines::interpSpline(1:9, sin(1:9)), quote(predict(model, asked$x)$y))
ask("periodicSpline", splines::periodicSpline(1:8, sin(1:8), period = 9), quote(predict(model, asked$x)$y))
ask("basis", splines::ns(d$x, 4L), quote(predict(model, asked$x)))
ask("polynomial basis", poly(d$x, 3L), quote(predict(model, asked$x)))
ask("functions", list(approxfun(d$x, d$y), splinefun(1:9, cos(1:9)), ecdf(d$x), stepfun(1:3, 0:3)),
    quote(lapply(model, function(f) f(asked$x))))
ask("isoreg", as.stepfun(isoreg(d$x, d$y)), quote(model(asked$x)))
ask("prcomp", prcomp(d[c("x", "y", "z")], scale. = TRUE))
ask("princomp", princomp(d[c("x", "y", "z")]))
# The layer's own LAPACK, whose version is another one than that of the full R.
ask("linear algebra", as.matrix(d[c("x", "y", "z")]), quote(signif(c(
  svd(model)$d, solve(crossprod(model)), eigen(crossprod(model))$values, abs(qr.R(qr(model, LAPACK = TRUE))),
  chol2inv(chol(crossprod(model))), eigen(crossprod(model)[, 3:1])$values, det(crossprod(model))
), 9L)))
ask("ar", ar(d$z), quote(predict(model, asked$z, n.ahead = 6L)))
ask("arima", arima(lh, c(3L, 0L, 0L)), series)
ask("seasonal arima", arima(USAccDeaths, c(0L, 1L, 1L), seasonal = list(order = c(0L, 1L, 1L))), series)
ask("HoltWinters", HoltWinters(co2), series)
ask("StructTS", StructTS(log10(UKgas), "level"), series)

saveRDS(list(kinds = kinds, asked = asked), commandArgs(trailingOnly = TRUE)[1L])
