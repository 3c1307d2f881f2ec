"""The handlers of the control surface, a module for each subject, and what they share."""
