"""U-Net that learns outlines from masks."""
