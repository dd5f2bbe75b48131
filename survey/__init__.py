"""The Legacy Survey: brick geometry, file layout, coadds, mask bits, host selection, the synthetic sky."""
