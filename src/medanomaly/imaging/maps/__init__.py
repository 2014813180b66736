"""What maps show: Grad-CAM, planted lesions, identity leak."""
