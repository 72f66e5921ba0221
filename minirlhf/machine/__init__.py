"""What a training asks of the machine, and no method knows of: how long it may take, and on how many processes."""
