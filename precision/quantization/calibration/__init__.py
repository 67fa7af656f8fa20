"""From images to ranges: statistics of tensors, and observers that choose a range from them."""
