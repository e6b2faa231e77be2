"""Any PyTorch module as a network, traced by torch.fx; torchvision's classifiers among them."""
