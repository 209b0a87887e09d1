"""What makes a router zone: its design, what it means as files and rules, and how a running one follows."""
