"""Logistic regression with Cauchy priors, and how much predictors repeat each other.

Gelman et al. 2008, "A weakly informative default prior distribution for logistic and other regression models"; the
algorithm is that of R's ``arm::bayesglm``, whose printed digits it reproduces.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STEPS = 1000


class LogisticFit(NamedTuple):
    """A fitted logistic regression; the intercept stands first in all arrays."""

    coefficients: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    deviance: float
    iterations: int

    @property
    def z(self) -> NDArray[np.float64]:
        """Coefficients over their standard errors."""
        return self.coefficients / self.standard_errors


def logit_glm(
    predictors: ArrayLike,
    outcomes: ArrayLike,
    *,
    prior_scale: float | ArrayLike | None = 1.25,
    intercept_scale: float = 10.0,
    tolerance: float = 1e-10,
) -> LogisticFit:
    """Logistic regression with independent Cauchy priors on the coefficients, or without priors.

    Each step of iteratively reweighted least squares treats the priors as normal ones, with variances that an EM step
    sets to ``(b**2 + V + s**2) / 2`` for a coefficient ``b`` of variance ``V`` under a prior of scale ``s``. The priors
    keep the coefficients finite where a predictor separates right from wrong answers.

    Parameters
    ----------
    predictors : array_like of float, shape (n, p) or (n,)
        Without the constant. The default scale is meant for predictors with standard deviation 1.
    outcomes : array_like of bool, shape (n,)
        0 or 1.
    prior_scale : float or array_like of float, shape (p,), or None
        Scales of the slopes' Cauchy priors; None for plain maximum likelihood (statsmodels), without a prior on the
        intercept either.
    intercept_scale : float
        Scale of the intercept's Cauchy prior.
    tolerance : float
        Relative change of the deviance at which the steps end.

    Returns
    -------
    LogisticFit
        Coefficients and standard errors, shape (p + 1,), intercept first; the deviance; the number of steps.

    Raises
    ------
    ValueError
        If shapes do not agree, a number is not finite, an outcome is not 0 or 1, or a scale is not positive.
    RuntimeError
        If the steps do not converge.

    Notes
    -----
    Gelman et al. 2008, section 4; McCoy et al. 2024 use it with scales 1.25 and 10 on z-scored predictors.
    """
    design, y = _checked(predictors, outcomes)
    if prior_scale is None:
        return _maximum_likelihood(design, y)
    slopes = np.broadcast_to(np.asarray(prior_scale, dtype=np.float64), (design.shape[1] - 1,))
    scales = np.concatenate([[intercept_scale], slopes])
    if not np.all((scales > 0) & np.isfinite(scales)):
        raise ValueError(f"prior_scale, intercept_scale: got {scales.tolist()}, allowed are positive numbers")

    coefficients, variances = np.zeros(len(scales)), scales**2
    deviance = _deviance(design @ coefficients, y)
    for step in range(1, _STEPS + 1):
        eta = design @ coefficients
        mean = _logistic(eta)
        weights = np.maximum(mean * (1 - mean), 1e-12)
        working = eta + (y - mean) / weights
        weighted = design * weights[:, None]
        covariance = np.linalg.inv(design.T @ weighted + np.diag(1 / variances))
        coefficients = covariance @ (weighted.T @ working)
        variances = (coefficients**2 + np.diag(covariance) + scales**2) / 2
        previous, deviance = deviance, _deviance(design @ coefficients, y)
        if abs(deviance - previous) < tolerance * (abs(deviance) + 0.1):
            return LogisticFit(coefficients, np.sqrt(np.diag(covariance)), deviance, step)
    raise RuntimeError(f"the regression did not converge in {_STEPS} steps; are the predictors scaled?")


def variance_inflation(predictors: ArrayLike) -> NDArray[np.float64]:
    """Variance inflation factor of each predictor: how much the others make its coefficient less certain.

    Parameters
    ----------
    predictors : array_like of float, shape (n, p)
        Without the constant.

    Returns
    -------
    numpy.ndarray of float64, shape (p,)
        1 for a predictor that the others tell nothing about; above 10 a coefficient is hardly interpretable.

    Raises
    ------
    ValueError
        If the array has not two axes, or a number is not finite.
    """
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    x = np.asarray(predictors, dtype=np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(f"predictors: got shape {x.shape}, allowed are finite numbers of shape (n, p)")
    design = np.column_stack([np.ones(len(x)), x])
    return np.array([variance_inflation_factor(design, column) for column in range(1, design.shape[1])])


def _checked(predictors: ArrayLike, outcomes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(predictors, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or y.shape != x.shape[:1] or not len(y):
        raise ValueError(
            f"predictors, outcomes: got shapes {x.shape} and {y.shape}, allowed are (n, p) and (n,) with n of 1 or more"
        )
    if not np.isfinite(x).all():
        raise ValueError("predictors: got a number that is not finite")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("outcomes: got a number that is neither 0 nor 1")
    return np.column_stack([np.ones(len(x)), x]), y


def _maximum_likelihood(design: NDArray[np.float64], y: NDArray[np.float64]) -> LogisticFit:
    import statsmodels.api as sm

    fit = sm.GLM(y, design, family=sm.families.Binomial()).fit()
    return LogisticFit(
        np.asarray(fit.params), np.asarray(fit.bse), float(fit.deviance), int(fit.fit_history["iteration"])
    )


def _logistic(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 0.5 * (1 + np.tanh(eta / 2))  # does not overflow
    return result


def _deviance(eta: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(2 * np.logaddexp(0, np.where(y > 0, -eta, eta)).sum())
