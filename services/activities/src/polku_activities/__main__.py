"""`python -m polku_activities api | worker | all`"""

from polku_activities.app import SERVICE, create_api, create_worker
from polku_activities.settings import ActivitiesSettings
from polku_runtime.process import main
from polku_web.live import end_streams

if __name__ == "__main__":
    main(SERVICE, ActivitiesSettings, create_api, create_worker, end_streams)
