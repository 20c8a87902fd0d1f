"""What is asked of the operating system, where asking plainly would be slow, unsafe or in another unit."""
