"""Releases: trained weights with everything that is known about them. `ml.releases.loader` reads them."""
