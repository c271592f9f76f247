"""An invented past for a rehearsal: enough rows that every page has something to show, and to be measured with."""
