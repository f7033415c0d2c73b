"""Where files lie: local disks, SMB shares, SFTP servers, behind one seam (base.py)."""
