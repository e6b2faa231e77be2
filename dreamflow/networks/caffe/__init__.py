"""Networks of Caffe's kind: GoogLeNet, its relatives, and the pocket network distilled from it."""
