"""Figures as values: one a file, from small frames to rows, axes and marks that paper and screen draw."""
