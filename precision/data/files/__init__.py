"""Files of images: where they lie, how they are downloaded, checked and read."""
