"""What became of the mail: parsing, the join, the judgement, and everything around them but Faust."""
