"""What is known of the layers of Keras: their variables, axes, and where they round."""
