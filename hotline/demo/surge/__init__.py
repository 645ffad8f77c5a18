"""A salt tide (咸潮), played over HTTP as the day is: one cause, one incident, news, one reply to all, follow-ups."""
