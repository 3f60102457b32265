"""Lists of videos: listings and manifests, with stable and safe ids."""
