"""From documents to the geometry of charts; pure, and without a clock.

Across, a place is a number from 0 to 1000, which the drawing stretches to the width there is; down, it is pixels from
the top. So a chart is as wide as its page, while its text and its lines keep their size. Texts are placed by percent.
"""
