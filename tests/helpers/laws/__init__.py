"""What every row of a registry must obey. A plugin's author can call these functions on a row of their own."""
