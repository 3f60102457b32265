"""The nightly job: an archive of video in, scores, events and their changes out, published a whole night at a time."""
