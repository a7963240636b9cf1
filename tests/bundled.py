"""The names of what the package ships."""

STYLES = (
    *("scream", "wave", "udnie", "la_muse", "rain_princess", "wreck"),
    *("starry_night", "composition_vii", "adele", "seaport", "saint_clair", "cubist"),
    *("woman_hat", "wheat_field", "water_lilies", "forms"),
)
