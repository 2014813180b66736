"""From files to prepared images: readers, DICOM, input contract, store, cases."""
