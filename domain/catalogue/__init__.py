"""The service catalogue (服务目录): what it promises, and the terms that one case gets from it."""
