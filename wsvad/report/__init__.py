"""Parts of pages about scored videos: charts, timelines, heat maps, frames; truth is drawn where it is known."""
