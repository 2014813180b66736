"""Images: X-rays from folders, DICOM files and archives."""
