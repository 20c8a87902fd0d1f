#!/bin/sh
# In the container, by esperd-tests.service: the tests in their order, of which the last uninstalls.
exec >/opt/results/output 2>&1
cd /opt/repository/tests/systemd/inside || exit
python3 -m venv /opt/pytest
/opt/pytest/bin/pip install --quiet --no-index --find-links /opt/wheels pytest
/opt/pytest/bin/python -m pytest --rootdir . --import-mode=importlib -p no:cacheprovider -o pythonpath=/opt/repository \
	-o python_files='check_*.py' -v -ra --durations=5 --color=no ${ESPER_TESTS:-check_units.py check_service.py \
	check_instances.py check_socket.py check_udev.py check_user.py check_installed.py check_uninstall.py}
echo $? >/opt/results/exit-code
journalctl --no-pager --boot >/opt/results/journal
cp -r /var/log/esperd /opt/results/log 2>/dev/null
