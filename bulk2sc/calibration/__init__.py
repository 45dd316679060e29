"""Whether scores mean what they say: calibration, the share of sensitive cells, and knowing when one errs."""

from bulk2sc.calibration.prior import (
    DIFFERENCES,
    estimate_prior,
    estimates_when_thinned,
    prior_shift,
    shift_prior,
    thinned,
    where_share_is,
)
from bulk2sc.calibration.reliability import (
    INFLATED,
    answers_as_scored,
    calibrated_by_chance,
    calibration,
    calibration_error,
    chance_errors,
    decomposition,
    reliabilities,
    reliability,
)
from bulk2sc.calibration.resampling import against_zero, corrected, measured, with_interval
from bulk2sc.calibration.uncertainty import (
    KINDS,
    ensemble_gains,
    ensembles,
    rejections,
    risk_coverage,
    risk_curve,
    risk_curves,
)
