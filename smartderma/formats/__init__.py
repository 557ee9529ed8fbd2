"""How dates read where Django's own formats are incomplete. Digits stay 0 to 9 in every language."""
