"""Networks for images, one folder per model: parameters, network, loss, Lightning training, and head that scores."""
