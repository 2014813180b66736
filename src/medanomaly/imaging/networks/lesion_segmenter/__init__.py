"""U-Net that learns from lesions pasted into normal images."""
