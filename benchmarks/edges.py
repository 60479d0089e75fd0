"""What transcriptions of the model make of scores at the ends of the scale."""

# A Beta has no density at 0 and 1: the package reads them as half an item of 1,000.
EDGE = 5e-4
