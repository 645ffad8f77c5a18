"""The incident (突发事件): one cause behind many complaints."""
