"""Parts of the synthetic sky (`survey.sky`): each module makes one ingredient of a brick."""
