"""Which videos there are: listings and manifests, with stable, safe ids."""
