"""The small worlds that the models talk about; `helpdesk` is the main one."""
