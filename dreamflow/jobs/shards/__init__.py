"""Jobs rendered in shards: by several processes on one machine, or by the machines of a farm."""
