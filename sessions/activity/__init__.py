"""What running notebooks do, asked of their servers now and then.

`rounds` starts a round when one is due, `asking` asks many at once, `reading` understands the
answers, and `noting` writes down what they say. What people send through the gateway is noted
there (`gateway.activity`); both write `Project.last_activity`.
"""
