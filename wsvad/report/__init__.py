"""Elements of HTML reports: charts, timelines, heat maps, frames; ground truth is drawn if it is known."""
