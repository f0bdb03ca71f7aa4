"""Small statistics that several chapters share, where scipy, statsmodels and scikit-learn have none."""

from entropylab.statistics.calibration import expected_calibration_error

__all__ = ["expected_calibration_error"]
