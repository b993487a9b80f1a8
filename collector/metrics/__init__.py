"""What Prometheus scrapes: tables of metrics, one file per subject, and the page that is made of them."""
