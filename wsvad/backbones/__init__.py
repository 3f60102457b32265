"""Networks that compute features from clips, and their weights. Independent of Ray and of video decoding."""
