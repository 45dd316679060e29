"""What runs the book: the store of its steps, its chapters and their pages."""

from bulk2sc.book.study import Study
