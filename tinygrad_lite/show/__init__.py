"""Everything that a person looks at: the picture, the steps, the explanation, the page."""
